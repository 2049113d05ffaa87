"""The directory of what the partners offer each other and migrants, referrals to offers, and cooperations on a case.

Owns: offers, contacts, information material, change notices, trainings and the needs they answer, referrals,
cooperations, and its own note of which consents hold.
Consumes: lotse.cases.v1 (consent.*, person.erased, person.disclosed).
Emits: referral.* and cooperation.* on lotse.cases.v1; offer.*, contact.*, material.*, notice.*, training.* and
training_need.* on lotse.directory.v1; information.counted on lotse.circle.v1.
Never: holds or sends a personal datum, gives or ends a consent, tells a partner anything by itself.
"""
