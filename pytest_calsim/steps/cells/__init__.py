"""Where neurons are, what they do, and how the microscope images them."""
