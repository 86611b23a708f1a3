"""The compact record of a finished study: all that its tables, figures and report are made from."""
