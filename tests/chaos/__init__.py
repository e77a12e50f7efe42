"""Faults made on purpose, and what must hold whatever they hit.

The faults: `cluster` (servers that are killed, paused and cut off from each other), `proxy` (a TCP
path that is slow, silent, half open or reset) and `disk` (power cuts, full disks, failing writes).
What must hold: `writers` keep a book of what was promised to them, `verdict` compares it with the
log. `drill` gives each of them its seed, its time and the command that repeats it.
"""
