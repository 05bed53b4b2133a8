"""Who is in a sample and who is not, in groups large enough; and what would fill the gaps.

It counts people by what is known without opening anything, and asks the gate who may be used. What
leaves it has passed `disclosure`: no person's answer follows from it.
"""
