"""The directory of offers, contacts, material and change notices, and referrals from one unit to another's offer.

Owns: offers, contacts, information material, change notices, referrals, and its own note of which consents hold.
Consumes: lotse.cases.v1 (consent.*, person.erased, person.disclosed).
Emits: referral.* on lotse.cases.v1; offer.*, contact.*, material.* and notice.* on lotse.directory.v1.
Never: holds or sends a personal datum, gives or ends a consent, tells a partner anything by itself.
"""
