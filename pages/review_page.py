"""How often is the label wrong?"""

import streamlit as st

from cxrdash.ui import frame, review, review_results, review_setup, show

now = frame()
top = st.container()
chosen = review.view()
if chosen == review.NEW and show.nothing(now):
    with top:
        show.headline(review.QUESTION, "No images in this cohort")
elif chosen == review.NEW:
    review_setup.new_review(now, top)
elif chosen == review.MARK:
    review.mark(now, top)
else:
    review_results.results(now, top)
