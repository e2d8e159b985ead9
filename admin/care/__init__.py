"""Care of members: reminders, visits, opinions, activities, the call centre."""
