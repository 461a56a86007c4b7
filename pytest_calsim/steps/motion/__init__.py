"""How the tissue moves under the sensor."""
