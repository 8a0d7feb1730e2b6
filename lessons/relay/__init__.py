"""One training handed from backend to backend: python -m lessons.relay"""
