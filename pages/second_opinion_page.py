"""How often does another reader disagree?"""

from cxrdash.ui import frame, opinions, show
from cxrdash.ui.readers import readers

now = frame()
if show.nothing(now):
    show.headline(opinions.QUESTION, "No images in this cohort")
else:
    view = opinions.choose(now)
    if view == opinions.NOBODY:
        opinions.nobody(now)
    elif view == opinions.READERS:
        readers(now)
    else:
        opinions.second_opinion(now)
