"""The Koblenz story: its parts, in the order in which they are played."""

from deploy.demo.first.story import FIRST
from deploy.demo.last.story import LAST
from deploy.demo.second.story import SECOND

STORY = (FIRST, SECOND, LAST)
