"""How targets fare: circuit breakers, rates, and the signs of trouble."""
