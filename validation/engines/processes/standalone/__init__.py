"""Code that runs in another Python, which has torch and numpy but not this package.

``lite_worker`` is a script that imports its neighbors in this folder. Modules here import nothing from the rest of the
package.
"""
