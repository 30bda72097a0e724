"""Does an artifact draw the reference's masks?"""
