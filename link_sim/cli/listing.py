"""`link-sim list`."""

from rich.table import Table

from link_sim.cli import terminal


def list_names() -> None:
    """Shows the scenarios, receivers and weights, each with one line."""
    from link_sim.models.cards import list_pretrained
    from link_sim.receivers.names import list_all_receivers
    from link_sim.recipes.table import RECIPES
    from link_sim.scenarios.loading import list_scenarios

    shipped = list_pretrained()
    others = {name: r.summary for name, r in RECIPES.items() if name not in shipped}
    console = terminal.console()
    for title, names in (
        ("Scenarios", list_scenarios()),
        ("Receivers", list_all_receivers()),
        ("Weights", shipped),
        ("Other recipes for train", others),
    ):
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        for name, line in names.items():
            table.add_row(f"  {name}", line)
        console.print(table)
