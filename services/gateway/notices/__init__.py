"""One outbound webhook: somebody outside learns that a post waits, has failed or is complete.

At least once, signed, every attempt a fact of the log, and never to an address inside the house.
"""
