"""Fakes of the ports, and builders that tests share."""
