"""The artifacts of a service's functions: `penstock build`."""
