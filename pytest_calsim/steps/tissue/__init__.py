"""What glows and absorbs between the cells."""
