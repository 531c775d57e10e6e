"""What stands around Tocsin fails over, or is replaced, while clients go on."""
