"""The one oracle of the promises: when texts are due, what each may say, and how a whole history must have ended.

It knows the world and nothing of syncer's planning: a second, simpler opinion. Judges of single tables stand beside
their tables: they compare with a table or with a sound run.
"""
