"""Reporting: counts what the agreement's duties amount to, clause by clause, from the events of the others.

Owns the read models (schema `view`, which can be dropped and counted again from the topics).
Consumes cases, directory, circle and deliveries. Emits nothing yet. Never holds an id of a case, and never judges
the work with a person: what a clause cannot count it says.
"""
