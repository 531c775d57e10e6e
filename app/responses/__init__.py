"""What requests are answered: cached answers and problems."""
