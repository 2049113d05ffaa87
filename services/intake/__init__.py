"""Intake: the door to a person's data.

Owns: persons (sealed in the vault), consents and the notices shown for them, counts of information given, the
disclosure log, and the gate at which a service fetches a person's data.
Consumes: cases (referral.*, to know who is addressed and whether a referral is open; cooperation.*, to know who may
record consents for one), deliveries (recall.*, to say who has answered after an end).
Emits: consent.* and person.* (cases), information.counted (circle).
Never: puts a name, a contact or a birth date into an event, a log line or an error; hands out a datum that no valid
consent covers at that moment.
"""
