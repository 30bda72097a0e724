"""Phones as targets: an app on the phone runs an artifact, and the file that it writes is read here.

``adb`` and ``xcode`` find phones and reach them, without importing torch. ``android_phone`` and
``ios_phone`` measure on one phone, and ``phone`` has what both share. docs/devices.md describes the
setup and the app.
"""
