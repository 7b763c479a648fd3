"""The command `mag`: imports everything, then obeys. Nothing imported is ever garbage, and looking for some takes a quarter of a start."""

import gc


def main() -> None:
    gc.disable()
    from wsgi import command_line

    gc.enable()
    command_line()


if __name__ == "__main__":
    main()
