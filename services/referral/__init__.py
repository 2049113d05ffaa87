"""The directory of offers and contacts, referrals from one unit to another's offer, and cooperations on a case.

Owns: offers, contacts, referrals, cooperations, and its own note of which consents hold.
Consumes: lotse.cases.v1 (consent.*, person.erased, person.disclosed).
Emits: referral.* and cooperation.* on lotse.cases.v1; offer.* and contact.* on lotse.directory.v1.
Never: holds or sends a personal datum, gives or ends a consent, tells a partner anything by itself.
"""
