package sigpost.matrix;

import java.util.Collection;
import java.util.Map;

/** Maps, collections, strings, numbers and booleans as one line of JSON. */
final class Json {
  private Json() {}

  static String of(Object node) {
    StringBuilder out = new StringBuilder();
    write(out, node);
    return out.toString();
  }

  private static void write(StringBuilder out, Object node) {
    if (node instanceof Map<?, ?> map) {
      String separator = "{";
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        quote(out.append(separator), entry.getKey().toString());
        write(out.append(':'), entry.getValue());
        separator = ",";
      }
      out.append(map.isEmpty() ? "{}" : "}");
    } else if (node instanceof Collection<?> all) {
      String separator = "[";
      for (Object one : all) {
        write(out.append(separator), one);
        separator = ",";
      }
      out.append(all.isEmpty() ? "[]" : "]");
    } else if (node instanceof String text) {
      quote(out, text);
    } else {
      out.append(node);
    }
  }

  /** Everything but printable ASCII as \\u escapes, so that the output's encoding does not matter. */
  private static void quote(StringBuilder out, String text) {
    out.append('"');
    for (char c : text.toCharArray()) {
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
