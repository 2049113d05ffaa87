"""The notifier: tells every entitled partner, on its own stream, what it may know, and keeps who was told of what.

Owns the partner streams (their numbers), the ledger of who was told, its own copy of the consents,
and the recalls: what partners are asked after an end, and what they answer.
Consumes cases, directory and circle. Emits the records of the partner streams, `lotse.partner.informed.v1` and
`lotse.recall.*`.
Never holds personal data, never changes an offer, a referral or a consent, and never tells anything about a case
without a consent that is valid at that moment, but its closing.
"""
