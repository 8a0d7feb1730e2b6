"""Numbers from outside: computed by hand, from papers, or by independent programs."""
