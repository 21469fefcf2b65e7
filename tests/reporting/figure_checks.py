"""Checks that apply to any figure."""


def nothing_is_cut_off(figure):
    """Check that everything drawn is on the page, with a tolerance of a hundredth of an inch for line widths."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    return min(drawn.x0, drawn.y0) >= -0.01 and (drawn.max <= figure.bbox_inches.max + 0.01).all()


def visible_ticks(axis):
    """Return the labels of the major and minor ticks within the limits of an axis."""
    low, high = axis.get_view_interval()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


def legend_texts(legend):
    """Return the entries of a legend."""
    return [text.get_text() for text in legend.get_texts()]


def lines_by_label(axes):
    """Return the lines of a panel by their labels."""
    return {line.get_label(): line for line in axes.get_lines()}
