"""What the product costs, as ratios in one run; README.md says how to read them. No part of the test run."""
