"""Numbers from elsewhere: worked by hand, from papers, or from independent programs."""
