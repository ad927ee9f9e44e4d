"""`python -m link_sim`."""

from link_sim.cli import main

if __name__ == "__main__":
    main()
