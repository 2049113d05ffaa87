"""The person's own page: a process of its own, without the vault, its keys or any partner's.

Shows what is in force, who fetched what, who was told what and what has ended; takes withdrawals. Names nobody.
"""
