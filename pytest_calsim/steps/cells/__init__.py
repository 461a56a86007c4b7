"""Place neurons, make them active, and image them through the microscope."""
