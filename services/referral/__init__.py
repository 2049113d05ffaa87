"""The directory of offers, contacts and trainings, and referrals from one unit to another's offer.

Owns: offers, contacts, trainings and the needs they answer, referrals, and its own note of which consents hold.
Consumes: lotse.cases.v1 (consent.*, person.erased, person.disclosed).
Emits: referral.* on lotse.cases.v1; offer.*, contact.*, training.* and training_need.* on lotse.directory.v1.
Never: holds or sends a personal datum, gives or ends a consent, tells a partner anything by itself.
"""
