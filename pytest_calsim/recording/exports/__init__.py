"""Files of other programs' formats, written block by block: memory does not grow with the recording."""
