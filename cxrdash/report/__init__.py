"""What leaves the app: the suitability report in several forms, and cohorts as files for training code."""
