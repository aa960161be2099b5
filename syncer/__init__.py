"""syncer: texts for Calendly bookings through EngageLab."""

__version__ = "0.1.0"
