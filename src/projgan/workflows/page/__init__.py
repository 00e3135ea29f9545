"""The report of a run as one page: what it says, how it is drawn, and what it is made of."""
