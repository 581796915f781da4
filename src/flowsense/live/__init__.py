"""Sockets: connections to venues kept up, what they say into EVENTs, and what was missed."""
