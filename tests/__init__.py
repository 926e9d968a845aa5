"""The tests of Penstock and of the shop."""
