"""Does an artefact give the reference's masks?"""
