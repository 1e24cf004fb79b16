"""What a run's history says: is G improving, is D dominating, do the losses converge?"""
