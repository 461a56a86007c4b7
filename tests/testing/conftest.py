"""Its folder is on the path of the tests in it and below: they share ``planted``."""
