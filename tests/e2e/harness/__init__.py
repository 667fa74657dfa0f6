"""What the end-to-end tests stand on: real processes on loopback, and nothing that sleeps where a
condition can be waited for."""
