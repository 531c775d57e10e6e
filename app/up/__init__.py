"""`tocsin up`: all of Tocsin on one machine, in one supervised tree of processes."""
