"""Pages that people read around the button: what MAG is."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

bp = Blueprint("widget", __name__, template_folder="templates")


@bp.get("/qu-est-ce-que-mag")
def what_is_mag() -> ResponseReturnValue:
    """Where the link beside every button leads."""
    return render_template("widget/mag.html")
