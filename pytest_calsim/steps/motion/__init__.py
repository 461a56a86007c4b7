"""Move the tissue under the sensor."""
