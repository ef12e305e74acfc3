"""What a run leaves behind for people and machines: report.json beside pytest's own junit.xml."""
