"""The Koblenz story, played on a running stack and watched from outside.

It knows Lotse as a partner does: by HTTP, by the records on a partner's own Kafka stream, and by nothing else.
So `services` is not imported here, nor anything of `schemas` but its calendar. What it prints is German: a mayor
should be able to follow it.
"""
