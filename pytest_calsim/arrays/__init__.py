"""Arrays that everything above is made of: footprints, patches, truth arrays, random streams, parallel work."""
