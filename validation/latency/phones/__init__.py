"""Phones as targets: an app on the phone runs an artifact, and what it writes becomes results.

``targets`` has both, without importing torch. ``adb`` and ``xcode`` find phones and
reach them, ``android_phone`` and ``ios_phone`` measure on one, and ``phone`` has what both share.
docs/devices.md says what is run.
"""
