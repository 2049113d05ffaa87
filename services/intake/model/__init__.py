"""Persons, consents and referrals as intake knows them, and the rules about them. Pure: no I/O, time is an argument."""
