"""Arrays that everything else is made of: footprints, named truth, random streams, parallel work."""
